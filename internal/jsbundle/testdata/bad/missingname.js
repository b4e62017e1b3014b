import twice, { thrice } from "../good/lib/twice.ts";
export default () => twice(thrice);
