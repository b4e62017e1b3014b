export default (subject: string) => {
  return subject +;
};
