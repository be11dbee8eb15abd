/*
 * Races for items of channels and permits of semaphores, in a small form.
 */
#define SUITE "scope_tokens"
#include "tests/behaviour/race_tokens.h"

enum { ROUNDS = UNDER_TSAN || UNDER_ASAN ? 500 : 3000 };

static void race_often(int takers)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct tokens tokens;
        REQUIRE(tokens_open(&tokens, capacity));
        for (int i = 0; i < ROUNDS; i++)
            tokens_race(&tokens, takers);
        tokens_close(&tokens);
    }
}

BEHAVIOUR(take_against_take)
{
    race_often(2);
}

BEHAVIOUR(take_against_sleep)
{
    race_often(1);
}
