export const answer = (subject, payload) => payload;
