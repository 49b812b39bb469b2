export {diffLines, diffWordsWithSpace, diffChars} from 'diff';
