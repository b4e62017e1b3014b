import icon from "./icon.png";
export default () => icon;
