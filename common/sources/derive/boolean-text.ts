// Booleans in labels and annotations, as Go's strconv.ParseBool reads them. Undefined for any other text.

const truths = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const lies = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

export function parseBooleanText(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (truths.includes(text)) return true;
  return lies.includes(text) ? false : undefined;
}
