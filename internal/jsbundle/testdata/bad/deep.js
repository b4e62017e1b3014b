export { default } from "./helper.mjs";
