export default function twice(text: string): string {
  return text + text;
}
