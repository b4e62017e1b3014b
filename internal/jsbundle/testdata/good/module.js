import { greet } from "greet";
import settings from "./settings.json";
import page from "./page.html";
import { shout } from "@scope/parts/shout";
import twice from "./lib/twice.ts";

export default function answer(subject, payload) {
  return { text: twice(shout(greet(settings.name))), page, subject };
}
