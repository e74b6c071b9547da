/**
 * `npm run check`: fails, naming file, line and rule, when the code breaks the rules of scripts/layering/rules.ts.
 * It stands alone as the command; the rules and the checks are beside it, where a test can use them.
 * It must not change anything.
 */
import { checkLayering } from './layering/check.ts';
import { readSources } from './layering/sources.ts';

const sources = readSources();
const violations = checkLayering(sources);
for (const { file, line, rule, message } of violations) console.error(`${file}:${line} [${rule}] ${message}`);
if (violations.length > 0) process.exitCode = 1;
else console.log(`layering: ${sources.size} files keep the rules`);
