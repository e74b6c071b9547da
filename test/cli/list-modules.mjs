// Given to `node --import`: at the end, writes the URL of every module that was resolved to the file MODULES_FILE.
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const urls = new Set();
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    urls.add(resolved.url);
    return resolved;
  },
});
process.on('exit', () => writeFileSync(process.env.MODULES_FILE, JSON.stringify([...urls])));
