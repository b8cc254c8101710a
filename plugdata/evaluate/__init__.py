"""How good the answers of trained models are: what a judge is asked, what its verdicts come to, what needs no judge.

    replies      answers files → replies, joined on (id, lang)
    asking       a question to a judge as a task, and the mark that ends its answer
    pairs        which of two answers is better, in both orders; PLUG's tally and a strict one
    single       one answer: a mark from 1 to 10, or truthful and informative
    sums         one answer: the number that ends it, without a model
    free         what every answers file shows of itself: language, length, loops, structure
    agreement    two judges of the same answers
    estimates    means with intervals, the sign test, kappa

Pure: no file is opened and no call sent here. Verdicts are frames, one row a question, and every figure is a function
of such a frame. An answers file holds an evaluation set, some thousands of questions, so it stands in memory whole.
"""
