import pad from "@left/pad/all";
export default pad;
