/* What do scopes cost? Nanoseconds of a child with its join, an empty scope, a race.
 *
 * scope_spawn_join is to be held against micro_task's spawn_join. Each measure is a JSON line;
 * bench/lib/measure.h has the arguments. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/scope.h>

enum { MANY_CHILDREN = 1000 };

static int nothing(void *argument)
{
    return argument != NULL;
}

static long scope_spawn_join(long loops)
{
    for (long i = 0; i < loops; i++) {
        struct aio_scope scope;

        measure_check(aio_scope_open(&scope, NULL), "open");
        measure_check(aio_scope_spawn(&scope, nothing, NULL), "spawn");
        measure_check(aio_scope_join(&scope), "join");
    }
    return loops;
}

/* Per child, of a thousand in one scope. */
static long scope_many(long loops)
{
    long count = 0;

    while (count < loops) {
        struct aio_scope scope;

        measure_check(aio_scope_open(&scope, NULL), "open");
        for (int i = 0; i < MANY_CHILDREN; i++, count++)
            measure_check(aio_scope_spawn(&scope, nothing, NULL), "spawn");
        measure_check(aio_scope_join(&scope), "join");
    }
    return count;
}

static long scope_empty(long loops)
{
    for (long i = 0; i < loops; i++) {
        struct aio_scope scope;

        measure_check(aio_scope_open(&scope, NULL), "open");
        measure_check(aio_scope_join(&scope), "join");
    }
    return loops;
}

static long race_two(long loops)
{
    for (long i = 0; i < loops; i++) {
        struct aio_branch branches[2] = {{.fn = nothing}, {.fn = nothing}};

        measure_check(aio_scope_race(branches, 2, 0), "race");
    }
    return loops;
}

AIO_MAIN(argc, argv)
{
    measure_begin(argc, argv);
    measure_print("scope_spawn_join", scope_spawn_join);
    measure_print("scope_child_of_1000", scope_many);
    measure_print("scope_empty", scope_empty);
    measure_print("scope_race_two", race_two);
    return 0;
}
