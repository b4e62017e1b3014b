export default () => import("//example.com/x.js");
