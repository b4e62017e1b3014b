import "./style.css";
export default () => 1;
