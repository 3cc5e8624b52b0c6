/** What can go wrong before the tests begin, and how often it is tried again. */
import { STORIES } from './stories.ts';
import { storyTests } from './telling.ts';

storyTests(STORIES.setups);
