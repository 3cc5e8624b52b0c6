/** How a job that has a server ends: by the results of its tests, or by a failure of this CI. */
import { STORIES } from './stories.ts';
import { storyTests } from './story-tests.ts';

storyTests(STORIES.endings);
