/** The Prometheus text format, read as far as tests need it: names, labels, values. */

type Labels = Readonly<Record<string, string>>;

export interface Scrape {
  /** Sum of the series of this name that carry all these labels; 0 without any, as Prometheus users would take it. */
  value(name: string, labels?: Labels): number;
}

interface Sample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

const sampleShape = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const labelShape = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const escapes: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

/** Throws on a line that is neither a comment nor a sample. */
export function readMetrics(text: string): Scrape {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const shape = sampleShape.exec(line);
    if (!shape) throw new Error(`no sample: ${line}`);
    const labels: Record<string, string> = {};
    for (const [, name, value] of (shape[2] ?? '').matchAll(labelShape))
      labels[name!] = value!.replaceAll(/\\[n"\\]/g, (escaped) => escapes[escaped]!);
    samples.push({ name: shape[1]!, labels, value: Number(shape[3]) });
  }
  return {
    value(name, wanted = {}) {
      let sum = 0;
      for (const { name: found, labels, value } of samples)
        if (found === name && Object.entries(wanted).every(([label, text]) => labels[label] === text))
          sum += value;
      return sum;
    },
  };
}
