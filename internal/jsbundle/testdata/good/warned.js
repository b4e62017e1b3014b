export default (subject) => subject === -0;
