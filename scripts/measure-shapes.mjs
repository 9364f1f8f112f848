// Measures what V8 takes for the shapes of objects that a request meets: `npm run measure:shapes`. Decision 13 tells what was
// made of it. Medians of nanoseconds, of interleaved rounds. Needs no build and no server.
import express from 'express';
import { ServerResponse } from 'node:http';

const ROUNDS = 41;
const OBJECTS = 2_000;

const app = express();
const nothing = () => undefined;

function watch(response) {
  response.end = nothing;
  response.destroy = nothing;
  response.write = nothing;
  response.flushHeaders = nothing;
}

function facts() {
  const made = { method: 'GET', path: '/things/7' };
  made['route'] = '/things/:id';
  made['statusCode'] = 200;
  made['durationMs'] = 0.7;
  made['requestId'] = '01a2092a-40f3-7618-b679-000000000007';
  made['handler'] = 'ThingsController.read';
  made['actorType'] = 'anonymous';
  made['schemaVersion'] = 1;
  return made;
}

const KEYS = Object.keys(facts());

const newResponse = () =>
  new ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1, headers: {} });

/** By name: what is made before the clock runs, and what is timed. */
const WORKS = {
  'four functions on a response, before its prototype is changed': [newResponse, watch],
  'four functions on a response, after that': [
    () => Object.setPrototypeOf(newResponse(), app.response),
    watch,
  ],
  'metadata, one more fact in place, then two': [
    facts,
    (made) => {
      made['riskFactors'] = ['category:5'];
      made['source'] = 'a';
      made['sequence'] = 1;
    },
  ],
  'metadata, one more fact in a copy, then two': [
    facts,
    (made) => {
      const copy = { ...made, riskFactors: ['category:5'] };
      copy['source'] = 'a';
      copy['sequence'] = 1;
    },
  ],
  'metadata by written-out names': [nothing, facts],
  'metadata by computed names': [
    facts,
    (made) => {
      const copy = {};
      for (const key of KEYS) copy[key] = made[key];
    },
  ],
};

const times = new Map(Object.keys(WORKS).map((name) => [name, []]));
for (let round = -5; round < ROUNDS; round += 1) {
  for (const [name, [make, work]] of Object.entries(WORKS)) {
    const objects = Array.from({ length: OBJECTS }, make);
    const begun = process.hrtime.bigint();
    for (const object of objects) work(object);
    if (round >= 0) times.get(name).push(Number(process.hrtime.bigint() - begun) / OBJECTS);
  }
}

console.log('| | ns |\n| --- | --- |');
for (const [name, all] of times) {
  console.log(`| ${name} | ${all.sort((a, b) => a - b)[ROUNDS >> 1].toFixed(0)} |`);
}
