/* What do scopes cost? Nanoseconds of a child with its join, an empty scope, a race.
 *
 * Of the same form as micro_task.c, whose spawn_join is what scope_spawn_join is to be held
 * against: each measure is the best of REPEATS loops, printed as a JSON line; --quick makes the
 * loops short. */
#include <aio/aio.h>
#include <aio/scope.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 7, MANY_CHILDREN = 1000 };

static long loops = 200000;

static void check(int rc, const char *what)
{
    if (rc < 0)
        exit(aio_error_exit(rc, what));
}

static void measure(const char *name, long (*body)(void))
{
    double best = 0;

    for (int i = 0; i < REPEATS; i++) {
        int64_t begin = aio_time_now();
        long count = body();
        double ns = (double)(aio_time_now() - begin) / (double)count;

        if (i == 0 || ns < best)
            best = ns;
    }
    printf("{\"name\": \"%s\", \"ns\": %.2f}\n", name, best);
    fflush(stdout);
}

static int nothing(void *argument)
{
    return argument != NULL;
}

static long scope_spawn_join(void)
{
    for (long i = 0; i < loops; i++) {
        struct aio_scope scope;

        check(aio_scope_open(&scope, NULL), "open");
        check(aio_scope_spawn(&scope, nothing, NULL), "spawn");
        check(aio_scope_join(&scope), "join");
    }
    return loops;
}

/* Per child, of a thousand in one scope. */
static long scope_many(void)
{
    long count = 0;

    while (count < loops) {
        struct aio_scope scope;

        check(aio_scope_open(&scope, NULL), "open");
        for (int i = 0; i < MANY_CHILDREN; i++, count++)
            check(aio_scope_spawn(&scope, nothing, NULL), "spawn");
        check(aio_scope_join(&scope), "join");
    }
    return count;
}

static long scope_empty(void)
{
    for (long i = 0; i < loops; i++) {
        struct aio_scope scope;

        check(aio_scope_open(&scope, NULL), "open");
        check(aio_scope_join(&scope), "join");
    }
    return loops;
}

static long race_two(void)
{
    for (long i = 0; i < loops; i++) {
        struct aio_branch branches[2] = {{.fn = nothing}, {.fn = nothing}};

        check(aio_scope_race(branches, 2, 0), "race");
    }
    return loops;
}

AIO_MAIN(argc, argv)
{
    if (argc > 1 && strcmp(argv[1], "--quick") == 0)
        loops = 2000;
    measure("scope_spawn_join", scope_spawn_join);
    measure("scope_child_of_1000", scope_many);
    measure("scope_empty", scope_empty);
    measure("scope_race_two", race_two);
    return 0;
}
