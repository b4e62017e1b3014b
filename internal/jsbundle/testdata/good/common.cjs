const { shout } = require("@scope/parts/shout");
module.exports = (subject, payload) => shout(new TextDecoder().decode(payload));
