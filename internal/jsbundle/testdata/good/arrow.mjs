export default (subject, payload) => this.hostServices.kv.get(payload);
