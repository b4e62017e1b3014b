const answer = await Promise.resolve(1);
export default () => answer;
