(subject: string, payload: string) => payload;
