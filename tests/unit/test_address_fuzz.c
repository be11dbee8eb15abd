/*
 * The address parser under texts at random.
 */
#define SUITE "address_fuzz"
#include "tests/fuzz/address.h"

/* Runs texts of one maker; the first that breaks a rule is printed. Returns how many were taken. */
static int fuzz(void (*make)(char *text), int count)
{
    char text[FUZZ_TEXT_BYTES];
    int taken = 0;
    for (int i = 0; i < count; i++) {
        bool accepted;
        make(text);
        if (!fuzz_holds(text, &accepted)) {
            AIO_CHECK_STR(text, NULL);
            break;
        }
        taken += accepted;
    }
    return taken;
}

/* Texts out of nothing: most are no addresses, none does harm. */
PLAIN(random_texts)
{
    fuzz(fuzz_invent, 100000 / (int)test_slowness());
}

/* Good addresses with some changes: many still are addresses, and mean what they say. */
PLAIN(mutated_texts)
{
    int count = 100000 / (int)test_slowness();
    int taken = fuzz(fuzz_mutate, count);
    AIO_CHECK(taken > count / 20);
    AIO_CHECK(taken < count - count / 20);
}
