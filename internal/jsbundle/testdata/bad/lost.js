import { twice } from "../good/lib/twice.ts";
(subject, payload) => twice(payload);
