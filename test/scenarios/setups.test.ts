/** Failures before the tests begin, and their retries. */
import { STORIES } from './stories.ts';
import { storyTests } from './story-tests.ts';

storyTests(STORIES.setups);
