// What is wrong with a resource, said so that its author can mend it: where it stands, which field, what to write instead.
// Made by the parsers, the derivation and the checks; shown as one line each. Order of severity: error, warning, note.

export interface ResourceProblem {
  /** error: the object, or a part of it, is not used as written; warning: it is used, but hardly as meant; note: for information. */
  readonly severity: 'error' | 'warning' | 'note';
  readonly file?: string | undefined;
  /** First line of the object, or the line of the syntax error; counted from 1. */
  readonly line?: number | undefined;
  /** `Service podinfo/podinfo-svc`. */
  readonly object?: string | undefined;
  /** `spec.ports[0].port`. */
  readonly field?: string | undefined;
  readonly message: string;
  readonly remedy: string;
}

/** `mesh.yaml:12: Service podinfo/podinfo-svc: spec.ports[0].port is "http", not a number from 1 to 65535; write the number`. */
export function formatResourceProblem(problem: ResourceProblem): string {
  const place = problem.file === undefined ? [] : [problem.line ? `${problem.file}:${problem.line}` : problem.file];
  const parts = [...place, ...(problem.object === undefined ? [] : [problem.object])];
  const field = problem.field === undefined ? '' : `${problem.field} `;
  return `${[...parts, `${field}${problem.message}`].join(': ')}; ${problem.remedy}`.replaceAll('\n', ' ');
}
