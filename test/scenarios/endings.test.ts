/** The ends of a job that has a server: results of its tests, and failures of this CI. */
import { STORIES } from './stories.ts';
import { storyTests } from './story-tests.ts';

storyTests(STORIES.endings);
