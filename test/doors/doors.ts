// All doors, each by its name.
import { express4Door, express5Door } from './express-door.js';
import { fastifyDoor } from './fastify-door.js';
import { nestExpressDoor, nestFastifyDoor } from './nest-door.js';

export const DOORS = [nestExpressDoor, nestFastifyDoor, express5Door, express4Door, fastifyDoor].map(
  (door) => [door.name, door] as const,
);
