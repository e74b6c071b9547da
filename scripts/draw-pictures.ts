/**
 * `npm run docs:pictures`: writes the pictures of docs/design.md anew. What they show is in scripts/pictures/; a test says
 * when the files are old. It draws nothing itself.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { pictures } from './pictures/pictures.ts';

const FOLDER = new URL('../docs/pictures/', import.meta.url);
mkdirSync(FOLDER, { recursive: true });
for (const [name, svg] of pictures()) writeFileSync(new URL(name, FOLDER), svg);
