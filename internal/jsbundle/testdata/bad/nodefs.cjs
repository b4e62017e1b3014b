const fs = require("fs/promises");
module.exports = () => fs;
