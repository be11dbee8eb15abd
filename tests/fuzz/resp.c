/*
 * Requests of the Redis protocol: a request is accepted when it is complete and not before, its
 * arguments stand in the input, and it reads back from what is written of it.
 */
#include "tests/fuzz/fuzz.h"

#include "examples/kv/resp.c"

static void check_again(const struct request *request)
{
    struct buffer text = {.data = NULL};
    struct request again;
    const char *problem = "";
    reply_array(&text, request->count);
    for (int i = 0; i < request->count; i++)
        reply_bulk(&text, request->arguments[i]);
    FUZZ_CHECK(!text.failed);
    FUZZ_CHECK(resp_parse(text.data, text.length, &again, &problem) == (long)text.length);
    FUZZ_CHECK(again.count == request->count);
    for (int i = 0; i < again.count; i++)
        FUZZ_CHECK(again.arguments[i].length == request->arguments[i].length &&
                   memcmp(again.arguments[i].data, request->arguments[i].data,
                          again.arguments[i].length) == 0);
    buffer_free(&text);
}

FUZZ_TARGET(resp)
{
    struct request request;
    const char *problem = NULL;
    char *block = fuzz_block(data, size);
    long took = resp_parse(block, size, &request, &problem);
    FUZZ_CHECK(took >= -1 && took <= (long)size);
    FUZZ_CHECK(took != -1 || problem != NULL);
    if (took > 0) {
        FUZZ_CHECK(request.count >= 0 && request.count <= KV_ARGUMENTS_MAX);
        for (int i = 0; i < request.count; i++)
            FUZZ_CHECK(request.arguments[i].data >= block &&
                       request.arguments[i].data + request.arguments[i].length <= block + took);
        check_again(&request);
        FUZZ_CHECK(resp_parse(block, (size_t)took - 1, &request, &problem) == 0);
    }
    free(block);
    return 0;
}
