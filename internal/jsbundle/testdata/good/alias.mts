export { default } from "./lib/twice.ts";
