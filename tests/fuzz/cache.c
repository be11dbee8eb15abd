/*
 * The cache of answers against a plain array: the input is a list of stores and finds. It holds no
 * more than it may, gives the newest version of an entry or none, and none that is too old.
 */
#include "tests/fuzz/fuzz.h"

#include "net/resolve.h"

#include "core/alloc.h"

enum { NAMES = 32, STEP_BYTES = 4 };

struct known {
    bool stored;
    uint8_t value;
    uint8_t count;
    int64_t until_ns;
};

struct model {
    struct aio__cache cache;
    struct known known[NAMES];
    int64_t now_ns;
};

/* Names of different lengths; two of them are the same for both families. */
static const char *name_of(size_t index)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    return letters + sizeof letters - 2 - index / 2;
}

static struct aio__answer answer_of(size_t index)
{
    return (struct aio__answer){.family = index % 2 == 0 ? AF_INET : AF_INET6};
}

static void store(struct model *model, size_t index, const uint8_t *step)
{
    struct known *known = &model->known[index];
    struct aio__answer answer = answer_of(index);
    union aio__host host = {.v4.s_addr = 0};
    memset(&host, step[2], sizeof host);
    for (int i = step[2] % (AIO__ANSWER_MAX + 4); i > 0; i--)
        aio__answer_add(&answer, &host);
    FUZZ_CHECK(answer.count <= AIO__ANSWER_MAX);
    *known = (struct known){true, step[2], (uint8_t)answer.count, model->now_ns + step[3]};
    aio__cache_store(&model->cache, name_of(index), &answer, known->until_ns);
}

static void find(struct model *model, size_t index)
{
    const struct known *known = &model->known[index];
    struct aio__answer answer = answer_of(index);
    if (!aio__cache_find(&model->cache, name_of(index), &answer, model->now_ns))
        return;
    FUZZ_CHECK(known->stored && known->until_ns > model->now_ns);
    FUZZ_CHECK(answer.count == known->count);
    const uint8_t *bytes = (const uint8_t *)answer.hosts;
    FUZZ_CHECK(answer.count == 0 || bytes[0] == known->value);
}

/* A step: store, store without memory, find; of which name; its value; its time. */
FUZZ_TARGET(cache)
{
    struct model model = {.cache.limit = size > 0 ? data[0] % 17 : 0, .now_ns = 1};
    for (size_t at = 1; at + STEP_BYTES <= size; at += STEP_BYTES) {
        const uint8_t *step = data + at;
        size_t index = step[1] % NAMES;
        model.now_ns += step[0] >> 4;
        if (step[0] % 4 == 0)
            aio__alloc_fail_at(1);
        if (step[0] % 2 == 0)
            store(&model, index, step);
        else
            find(&model, index);
        aio__alloc_fail_at(0);
        FUZZ_CHECK(model.cache.count <= model.cache.limit);
    }
    aio__cache_free(&model.cache);
    FUZZ_CHECK(model.cache.count == 0 && model.cache.first == NULL);
    return 0;
}
