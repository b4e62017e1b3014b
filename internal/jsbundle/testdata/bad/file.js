import pad from "./pad";
export default pad;
