import locked from "locked/inner";
export default locked;
