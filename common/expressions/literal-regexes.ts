// Finds the regular expressions that stand as literals in an expression, so that a bad one is refused when it is configured.
// In: a parsed CEL expression. Out: the patterns given to `matches`.
import type { parse } from '@bufbuild/cel';

type Node = ReturnType<typeof parse>['expr'];

export function findLiteralRegexes(root: Node): readonly string[] {
  const patterns: string[] = [];
  const pending: (Node | undefined)[] = [root];
  for (let node = pending.pop(); node !== undefined || pending.length > 0; node = pending.pop()) {
    const kind = node?.exprKind;
    if (kind?.case === 'callExpr') {
      const last = kind.value.args.at(-1);
      const pattern = kind.value.function === 'matches' ? literalText(last) : undefined;
      if (pattern !== undefined) patterns.push(pattern);
      pending.push(kind.value.target, ...kind.value.args);
    } else if (kind?.case === 'selectExpr') {
      pending.push(kind.value.operand);
    } else if (kind?.case === 'listExpr') {
      pending.push(...kind.value.elements);
    } else if (kind?.case === 'structExpr') {
      pending.push(...kind.value.entries.map((entry) => entry.value));
    } else if (kind?.case === 'comprehensionExpr') {
      const { iterRange, loopCondition, loopStep, result } = kind.value;
      pending.push(iterRange, loopCondition, loopStep, result);
    }
  }
  return patterns;
}

function literalText(node: Node | undefined): string | undefined {
  if (node?.exprKind.case !== 'constExpr') return undefined;
  const constant = node.exprKind.value.constantKind;
  return constant.case === 'stringValue' ? constant.value : undefined;
}
