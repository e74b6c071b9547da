/**
 * What is wrong, in a line each, at the top of the status page: red where a person must act, yellow where it may pass by
 * itself. The rules are in `src/view/problems.ts`.
 */
import { paragraph } from '../table.ts';
import type { Section } from './section.ts';

export const problemsText: Section = ({ problems }, style) =>
  problems
    .map(({ need, what, advice }) => {
      const mark = need === 'act' ? style.red(' ACT   ') : style.yellow(' wait  ');
      return paragraph(mark, `${style.bold(what)}; ${advice}`, style.width);
    })
    .join('\n');
