/*
 * The leak check around each test: descriptors with what they stand for, threads by their names,
 * and allocations of the library. A thread that has been joined may stand in /proc a moment
 * longer, so threads are looked at until they are gone or a second has passed.
 */
#include "tests/harness/internal.h"

#include "core/alloc.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct thing {
    long number;
    char text[96];
};

struct set {
    struct thing *items;
    size_t count;
};

struct leaks {
    struct set files;
    struct set threads;
    int64_t allocations;
};

typedef bool read_fn(struct thing *thing);

static bool read_file(struct thing *thing)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%ld", thing->number);
    ssize_t length = readlink(path, thing->text, sizeof thing->text - 1);
    if (length < 0)
        return false; /* the descriptor of this very listing */
    thing->text[length] = '\0';
    return true;
}

/* Threads that the kernel keeps for a while for what a ring could not do inline are its own. */
static bool read_thread(struct thing *thing)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%ld/comm", thing->number);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool there = fgets(thing->text, sizeof thing->text, file) != NULL;
    fclose(file);
    thing->text[strcspn(thing->text, "\n")] = '\0';
    return there && strncmp(thing->text, "iou-", 4) != 0;
}

static struct set read_set(const char *folder, read_fn *read_one)
{
    struct set set = {NULL, 0};
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct thing thing = {.number = strtol(entry->d_name, NULL, 10)};
        if (entry->d_name[0] == '.' || !read_one(&thing))
            continue;
        if (read_one == read_file && thing.number == dirfd(dir))
            continue;
        struct thing *grown = realloc(set.items, (set.count + 1) * sizeof thing);
        if (grown == NULL)
            abort();
        set.items = grown;
        set.items[set.count++] = thing;
    }
    if (dir != NULL)
        closedir(dir);
    return set;
}

static bool contains(const struct set *set, const struct thing *thing)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].number == thing->number && strcmp(set->items[i].text, thing->text) == 0)
            return true;
    return false;
}

static size_t added(const struct set *before, const struct set *after)
{
    size_t count = 0;
    for (size_t i = 0; i < after->count; i++)
        count += !contains(before, &after->items[i]);
    return count;
}

static void report(const struct set *before, const struct set *after, const char *what,
                   const struct aio_test_case *test)
{
    for (size_t i = 0; i < after->count; i++)
        if (!contains(before, &after->items[i]))
            aio_test_fail(test->file, 1, "%s left a %s: %ld %s", test->name, what,
                          after->items[i].number, after->items[i].text);
}

static void check_files(const struct leaks *before, const struct aio_test_case *test)
{
    struct set after = read_set("/proc/self/fd", read_file);
    report(&before->files, &after, "descriptor", test);
    report(&after, &before->files, "gap (it closed what it does not own)", test);
    free(after.items);
}

static void check_threads(const struct leaks *before, const struct aio_test_case *test)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    const int64_t most = 2000 * test_slowness();
    for (int64_t i = 0;; i++) {
        struct set after = read_set("/proc/self/task", read_thread);
        bool more = added(&before->threads, &after) > 0;
        if (more && i == most)
            report(&before->threads, &after, "thread", test);
        free(after.items);
        if (!more || i == most)
            return;
        nanosleep(&pause, NULL);
    }
}

struct leaks *leaks_before(void)
{
    struct leaks *leaks = malloc(sizeof *leaks);
    if (leaks == NULL)
        abort();
    leaks->files = read_set("/proc/self/fd", read_file);
    leaks->threads = read_set("/proc/self/task", read_thread);
    leaks->allocations = aio__alloc_live();
    return leaks;
}

/* Threads first: one that is about to end may have something open still. */
void leaks_after(struct leaks *before, const struct aio_test_case *test)
{
    check_threads(before, test);
    int64_t allocations = aio__alloc_live();
    check_files(before, test);
    if (allocations != before->allocations)
        aio_test_fail(test->file, 1, "%s left %" PRId64 " allocations of the library", test->name,
                      allocations - before->allocations);
    free(before->files.items);
    free(before->threads.items);
    free(before);
}
