/*
 * Copies of what a child reads before it executes its program, for one that does not share our
 * memory. It lacks the pages that are kept from children (MADV_DONTFORK), rented buffers for one,
 * where words may stand.
 */
#include "os/process.h"

#include <string.h>

/* Without memory it only counts. */
struct copier {
    char *memory;
    size_t used;
};

static void *copy_bytes(struct copier *copier, const void *from, size_t bytes)
{
    size_t at = copier->used;
    copier->used += (bytes + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if (copier->memory == NULL || from == NULL)
        return NULL;
    return memcpy(copier->memory + at, from, bytes);
}

static const char *copy_text(struct copier *copier, const char *text)
{
    return copy_bytes(copier, text, text != NULL ? strlen(text) + 1 : 0);
}

static const char *const *copy_words(struct copier *copier, const char *const *words)
{
    size_t count = 0;
    while (words != NULL && words[count] != NULL)
        count++;
    const char **copies = copy_bytes(copier, words, (count + 1) * sizeof *words);
    for (size_t i = 0; i < count; i++) {
        const char *copy = copy_text(copier, words[i]);
        if (copies != NULL)
            copies[i] = copy;
    }
    return copies;
}

static void copy_plan(struct copier *copier, struct aio__process_plan *plan)
{
    const struct aio_process_options *from = plan->options;
    struct aio_process_options *options = copy_bytes(copier, from, sizeof *from);
    const char *directory = copy_text(copier, from->directory);
    const void *limits = copy_bytes(copier, from->limits, from->limit_count * sizeof *from->limits);
    const void *groups = copy_bytes(copier, from->groups, from->group_count * sizeof *from->groups);
    const char *const *argv = copy_words(copier, plan->argv);
    const char *const *environment = copy_words(copier, plan->environment);
    if (options == NULL)
        return;
    options->directory = directory;
    options->limits = limits;
    options->groups = groups;
    plan->options = options;
    plan->argv = argv;
    plan->environment = environment;
}

int aio__process_plan_copy(struct aio__process_plan *plan)
{
    struct copier copier = {.memory = NULL};
    copy_plan(&copier, plan);
    plan->copies = copier.memory = aio__alloc(copier.used);
    if (copier.memory == NULL)
        return -ENOMEM;
    copier.used = 0;
    copy_plan(&copier, plan);
    return 0;
}
