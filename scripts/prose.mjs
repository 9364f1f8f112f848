// Checks the prose of README, docs and TSDoc: sentences, lines, and phrases that a second-language reader stumbles over. In
// other comments and messages it checks the phrases alone. Links and examples are checked by test/process/docs.spec.ts.
import { readdirSync, readFileSync } from 'node:fs';

/** The style asks for 25; a list of names in code counts as one, and a sentence may have five more. */
const WORDS_OF_A_SENTENCE = 30;
const WIDTH = 110;
const PHRASES =
  /\b(anew|but for|what is none|none the less|gone on from|in the place of|all the same|for itself|for themselves|for want of|their kin|comes? to be|comes? about|lest)\b/gi;

const filesIn = (folder, end) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name}`);

const problems = [];
const report = (file, line, what) => problems.push(`${file}:${line + 1}: ${what}`);

/** Lines with blocks of code emptied, so that numbers of lines stay. */
const prosaic = (text) => text.replace(/^```[^]*?^```$/gm, (code) => code.replace(/.*/g, '')).split('\n');

/** What stands in comments of TSDoc, each tag as a paragraph; other lines are empty. */
const tsdoc = (text) =>
  text
    .replace(/\/\*\*([^]*?)\*\/|[^\n]/g, (_, said) => said ?? '')
    .replace(/^ *\* ?/gm, '')
    .replace(/```[^]*?```/g, (code) => code.replace(/.*/g, ''))
    .replace(/\{@link (.*?)\}/g, '`$1`')
    .replace(/@\w+/g, '- ')
    .split('\n');

function checkPhrases(file, lines) {
  lines.forEach((text, line) => {
    for (const [phrase] of text.matchAll(PHRASES)) report(file, line, `"${phrase}" is hard to read`);
  });
}

function checkWidth(file, lines) {
  lines.forEach((text, line) => {
    if (text.length > WIDTH && !/^\||^</.test(text)) report(file, line, `wider than ${WIDTH} columns`);
  });
}

/** Whole paragraphs, items and cells, each with its line. */
function texts(lines) {
  const found = [];
  lines.forEach((text, line) => {
    if (text.startsWith('|')) for (const cell of text.split(/(?<!\\)\|/)) found.push({ line, text: cell });
    else if (
      /^\s*(?:[-*]|\d+\.|#+|>) /.test(text) ||
      (lines[line - 1] ?? '').trim() === '' ||
      found.length === 0
    )
      found.push({ line, text });
    else found.at(-1).text += ` ${text.trim()}`;
  });
  return found;
}

function checkSentences(file, lines) {
  for (const { line, text } of texts(lines)) {
    const plain = text
      .replace(/`[^`]*`/g, 'code')
      .replace(/code(?:,? (?:(?:and|or) )?code)+/g, 'code')
      .replace(/\]\([^)]*\)/g, ']')
      .replace(/\b(e\.g|i\.e|vs)\./g, '$1');
    for (const sentence of plain.split(/(?<=[.!?:][)"*_]*)\s+/)) {
      const words = sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
      if (words > WORDS_OF_A_SENTENCE)
        report(file, line, `${words} words in "${sentence.trim().slice(0, 60)}…"`);
    }
  }
}

for (const file of ['README.md', ...filesIn('docs', '.md')]) {
  if (/decisions\/|benchmarks\.md$/.test(file)) continue;
  const lines = prosaic(readFileSync(file, 'utf8'));
  checkPhrases(file, lines);
  checkWidth(file, lines);
  checkSentences(file, lines);
}
for (const file of filesIn('src', '.ts')) {
  const text = readFileSync(file, 'utf8');
  checkPhrases(file, text.split('\n'));
  checkSentences(file, tsdoc(text));
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
console.log(`Prose: ${problems.length} problems.`);
