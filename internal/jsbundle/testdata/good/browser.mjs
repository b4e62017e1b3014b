import { id } from "ids";
import digest from "digest";
import stamp from "stamp";

export default (subject, payload) => [id(), digest("digest"), stamp()].join(" ");
