const parts = require("../good/settings.json");
(subject, payload) => parts.name;
