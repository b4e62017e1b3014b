export default (subject, payload) => this.hostServices.kv.get(new TextDecoder().decode(payload));
