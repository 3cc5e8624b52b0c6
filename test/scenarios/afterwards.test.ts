/** What can go wrong once the tests have ended: publishing, posting, clean-up. */
import { STORIES } from './stories.ts';
import { storyTests } from './telling.ts';

storyTests(STORIES.afterwards);
