// A comment.
import fs from "node:fs";
export default () => fs;
