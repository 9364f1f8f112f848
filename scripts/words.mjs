// Counts the words of README and docs by page: `npm run words`, or `npm run words -- <commit>` to compare with an earlier commit.
// What people wrote is counted: no blocks of code, no decisions (history), nothing that is made by the benchmark. The last line adds what is
// made from the code.
import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';

const git = (...args) => execFileSync('git', args, { encoding: 'utf8', maxBuffer: 1 << 28 });

const GENERATED = /<!-- generated[^]*?<!-- end -->/g;
const sum = (count) => [...count.values()].reduce((total, words) => total + words) - count.get('README.md');

/** Words by page, named by its file: pages have moved between folders. @param left what is not counted */
function wordsAt(commit, left) {
  const files = git('ls-tree', '-r', '--name-only', commit, 'README.md', 'docs').trim().split('\n');
  const pages = files.filter((file) => file.endsWith('.md') && !/decisions\/|benchmarks\.md$/.test(file));
  return new Map(pages.map((page) => [basename(page), countWords(git('show', `${commit}:${page}`), left)]));
}

function countWords(text, left) {
  const prose = text.replace(/^```[^]*?^```$/gm, '').replace(left, '');
  return prose.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
}

const commits = [...process.argv.slice(2), 'HEAD'];
const counts = commits.map((commit) => wordsAt(commit, GENERATED));
const pages = [...new Set(counts.flatMap((count) => [...count.keys()]))].sort();
const print = (name, words) =>
  console.log(`| ${name} | ${words.map((count) => count.toLocaleString('en-US')).join(' | ')} |`);
console.log(`| page | ${commits.join(' | ')} |\n| --- |${' ---: |'.repeat(commits.length)}`);
for (const page of pages)
  print(
    page,
    counts.map((count) => count.get(page) ?? 0),
  );
print('docs in all', counts.map(sum));
print(
  'with what is made from the code',
  commits.map((commit) => sum(wordsAt(commit, ''))),
);
