// Reads the Prometheus text format as far as our own endpoints write it: samples with their labels. Text in, samples out;
// comments and lines that do not parse are left out.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function parsePrometheusText(text: string): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    const [, name, labels, value] = match ?? [];
    if (name === undefined || value === undefined) return [];
    return [{ name, labels: labels === undefined ? {} : parseLabels(labels), value: Number(value) }];
  });
}

const escapes: Record<string, string> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    if (name !== undefined) labels[name] = (value ?? '').replace(/\\[\\"n]/g, (pair) => escapes[pair] ?? pair);
  }
  return labels;
}
