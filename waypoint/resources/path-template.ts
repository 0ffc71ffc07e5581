// A path template of an AuthorizationPolicy: `{*}` is one segment or the rest of one, `{**}` any number of them, all else stands for itself.
// In: a template. Out: whether a path fits, in time linear in the path's length, whoever sent it. Source: waypoint-telemetry.md §8.8.

type Part = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'segment' } | { readonly kind: 'any' };

const operator = /(\{\*\*?\})/;
const slash = 0x2f;

export function isPathTemplate(text: string): boolean {
  return operator.test(text);
}

export function compilePathTemplate(template: string): (path: string) => boolean {
  const parts = template.split(operator).map(partOf);
  return (path) => {
    let reached = new Uint8Array(path.length + 1);
    reached[0] = 1;
    for (const part of parts) reached = advance(part, path, reached);
    return reached[path.length] === 1;
  };
}

function partOf(text: string): Part {
  if (text === '{*}') return { kind: 'segment' };
  return text === '{**}' ? { kind: 'any' } : { kind: 'text', text };
}

/** @param reached 1 at each offset at which the parts before this one may end. @returns the same with this part */
function advance(part: Part, path: string, reached: Uint8Array): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(reached.length);
  for (let at = 0; at < reached.length; at++) {
    const isStart = reached[at] === 1;
    switch (part.kind) {
      case 'text':
        if (isStart && path.startsWith(part.text, at)) next[at + part.text.length] = 1;
        break;
      case 'segment':
        if ((isStart || next[at] === 1) && at < path.length && path.charCodeAt(at) !== slash) next[at + 1] = 1;
        break;
      case 'any':
        if (isStart || (at > 0 && next[at - 1] === 1)) next[at] = 1;
    }
  }
  return next;
}
