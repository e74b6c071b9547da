/**
 * Ends with a clear message when this Node.js is too old for the code, instead of a syntax error somewhere in it.
 * Plain old JavaScript, and required before anything else is loaded, so that the old Node.js can still run it.
 * The number comes from package.json ("engines"): it is written once.
 */
'use strict';

const { existsSync } = require('node:fs');
const { join } = require('node:path');

/** `[major, minor, patch]` of a text that holds one, such as `v22.18.0` or `>=22.18.0`. */
function numbersOf(text) {
  return /(\d+)\.(\d+)\.(\d+)/.exec(text).slice(1).map(Number);
}

function isOlder(version, minimum) {
  const [have, need] = [numbersOf(version), numbersOf(minimum)];
  const index = have.findIndex((number, position) => number !== need[position]);
  return index >= 0 && have[index] < need[index];
}

/** What to tell the user of a Node.js of this version, or `null` when it will do. Only a checkout has sources. */
function complaint(version, minimum, isCheckout) {
  if (!isOlder(version, minimum)) return null;
  const needed = numbersOf(minimum).slice(0, 2).join('.');
  return (
    `s3compact needs Node.js ${needed} or newer; this is ${version}.\n` +
    (isCheckout
      ? 'In this checkout "npm ci" brings one that the npm scripts use; for bin/s3compact.js install a newer one (https://nodejs.org).'
      : 'Install a newer one (https://nodejs.org) and then s3compact again, or use the container image, which has its own.')
  );
}

module.exports = { complaint };

const text = complaint(process.version, require('../package.json').engines.node, existsSync(join(__dirname, '../src')));
if (text !== null) {
  console.error(text);
  // Documented exit code of the command for "cannot work like this".
  process.exit(2);
}
