// A comment.
import d from "https://example.com/x.js";
export default d;
