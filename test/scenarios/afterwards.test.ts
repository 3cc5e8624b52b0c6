/** Failures after the tests have ended: publishing, posting, cleanup. */
import { STORIES } from './stories.ts';
import { storyTests } from './story-tests.ts';

storyTests(STORIES.afterwards);
