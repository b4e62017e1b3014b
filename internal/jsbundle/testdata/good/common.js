exports.__esModule = true;
exports.default = (subject, payload) => subject;
